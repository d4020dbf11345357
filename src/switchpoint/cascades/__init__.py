"""The next choice after an answer, or during one: check it, accept it, call again, give up."""
