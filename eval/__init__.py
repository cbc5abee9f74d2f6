"""Replies to answers, scores and reports. Import from its modules (`from eval.scores import …`)."""
