"""Programs that use Tunedeck from outside, as anybody could write them."""
