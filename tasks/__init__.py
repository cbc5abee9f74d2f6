"""What is measured: samples, answer kinds, label spaces, one file a benchmark."""
