"""Generation: text and vision tokens out of a trained model. Reading order:

1. `programs`: prefill and decode as compiled programs over a sharded cache.
2. `engine`: rows of tokens of any length, fed to the programs.
"""
