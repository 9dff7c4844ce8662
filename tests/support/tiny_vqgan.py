"""A vision tokenizer that compiles in a second: 16 codes a frame of 8 x 8 pixels."""

from lwm_trainer.vision.vqgan_config import VqganConfig

TINY = VqganConfig(image_size=8, width=4, multipliers=(1, 2), blocks=1, groups=2, latent_width=4, codebook_size=16, codebook_width=3)
