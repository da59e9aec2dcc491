"""What a program prints, as lines of a log: cleaned, split, folded as a terminal shows them, with levels."""
