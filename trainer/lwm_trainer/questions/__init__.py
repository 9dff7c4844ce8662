"""Questions about long documents, as LWM made them for its chat models (Liu et al. 2024, arXiv 2402.08268, section 3.3): a document is cut
into chunks of about 1,000 tokens, a generator writes one question with its answer about each, and the pairs follow the chunks as a chat."""
