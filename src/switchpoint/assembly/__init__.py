"""A configuration becomes wired objects: the only place where everything meets."""
