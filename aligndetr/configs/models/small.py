"""ResNet-18, and sizes of models that train from scratch on a few hundred images of 400 pixels."""


def resnet18(model):
    """Its three stages in place of ResNet-50's, with batch norms that train."""
    model.backbone.depth = 18
    model.backbone.norm = "BN"
    model.backbone.freeze_at = 0
    model.neck.in_channels = {"res3": 128, "res4": 256, "res5": 512}


def shrink(model):
    """Half of the width, half of the layers."""
    resnet18(model)
    model.num_classes = None  # as many as the dataset has
    model.num_queries = 100
    model.embed_dim = 128
    model.decoder.num_layers = 3
    for layer in (model.encoder.layer, model.decoder.layer):
        layer.ffn.feedforward_dim = 512
    model.denoiser.num_queries = 50
    model.postprocess.num_select = 100
