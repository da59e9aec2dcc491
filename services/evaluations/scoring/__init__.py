"""What answers are worth: graders, metrics, and whether a difference is significant."""
