"""What a person reads: pages rendered on the server, without scripts and without anything from elsewhere."""
