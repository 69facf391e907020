"""What has nothing to do with structures or features."""
