"""RULER (Hsieh et al. 2024, arXiv 2404.06654), version 1: the rules and the scoring of its tasks, in words of our own."""
