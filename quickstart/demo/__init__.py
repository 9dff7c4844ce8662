"""The demo: a model of minutes that reads, captions, draws, continues clips and chats."""
