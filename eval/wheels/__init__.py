"""Emotion wheels: the tables of the MER challenges, the word maps made of them, and the official scores over files."""
