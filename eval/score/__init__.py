"""Official scores of prediction files, without a model: what `omnimer score` reads, computes and prints."""
