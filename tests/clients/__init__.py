"""Sessions of the official clients against one gateway over two vendors."""
