// cases
