"""The Hugging Face Hub API over models: repositories, their revisions, and pushes to them."""
