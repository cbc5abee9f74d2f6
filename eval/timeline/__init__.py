"""Timelines (utterances with times and emotions): how they are scored, and how they leave the house as subtitles."""
