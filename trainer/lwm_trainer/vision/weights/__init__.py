"""Files of weights: ours, diffusers' and LWM's."""
