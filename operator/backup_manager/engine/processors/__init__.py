"""What happens to bytes between a source and the repository: cutting, compressing, sealing."""
