"""The sizes that all models for a CPU share: about 0.9 M parameters, images of about 160 pixels."""


def shrink(model):
    """Any of the models; neck and pyramid are left."""
    model.num_classes = None  # as many as the dataset has
    model.num_queries = 40
    model.embed_dim = 64
    model.backbone.depth = 18
    model.backbone.width = 16
    model.backbone.norm = "BN"
    model.backbone.freeze_at = 0
    model.encoder.num_layers = 1
    model.decoder.num_layers = 3
    for layer in (model.encoder.layer, model.decoder.layer):
        layer.self_attention.num_heads = 4
        layer.ffn.feedforward_dim = 128
    model.decoder.layer.cross_attention.num_heads = 4


def three_scales(model):
    """One level a stage of the backbone, and no other."""
    model.neck.in_channels = {"res3": 32, "res4": 64, "res5": 128}
    model.neck.num_outs = 3
    model.neck.num_groups = 8
    model.pyramid.position_embedding.num_features = 32


def one_scale(model):
    """A stride of 16."""
    model.backbone.out_features = ["res4"]
    model.neck.in_channels = {"res4": 64}
    model.pyramid.position_embedding.num_features = 32
