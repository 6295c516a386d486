"""Where cells run: locks, interpreters, and the kinds of environment behind one seam."""
