"""What at least two services use; it imports none of them."""
