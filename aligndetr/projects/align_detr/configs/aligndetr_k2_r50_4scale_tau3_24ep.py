"""AlignDETR, ResNet-50, 4 scales, k = 2, tau = 3, 24 epochs (the published file trained 12)."""

from .aligndetr_k2_r50_4scale_24ep import dataloader, lr_multiplier, model, optimizer, train

model.criterion.classification.rank_weights.tau = 3.0
train.output_dir = "./output/aligndetr_k2_r50_4scale_tau3_24ep"
