"""How a picture becomes a frame. It is part of a tokenizer's fingerprint: other frames make other codes."""

FRAME_RECIPE = {
    "resize": "shorter side by Pillow's bicubic filter, longer side rounded down",
    "pixels": "made square by a clip's sample aspect ratio, width rounded",
    "crop": "centre, half pixels to even",
    "colour": "8-bit RGB as stored, alpha over white, 16-bit by its high byte, profiles ignored",
    "orientation": "EXIF, display matrix",
    "range": "value / 127.5 - 1",
}
