"""What the paths take and answer, as OpenAPI."""
