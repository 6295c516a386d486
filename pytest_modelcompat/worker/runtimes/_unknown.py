"""What is said about an option that an adapter does not have."""

__all__ = ["no_option"]

_LISTED = 20  # more than two lines of a screen help nobody


def no_option(runtime, name, known):
    """The problem, with what was likely meant.

    Args:
        runtime: the adapter's name.
        name: of the option, as the matrix has it.
        known: the names of those that there are.
    """
    from difflib import get_close_matches

    words = "{} has no option {!r}".format(runtime, name)
    near = get_close_matches(name[:200], sorted(known), n=1, cutoff=0.6)
    if near:
        return ValueError("{}. Did you mean {!r}?".format(words, near[0]))
    if 0 < len(known) <= _LISTED:
        return ValueError("{}. Known here: {}.".format(words, ", ".join(sorted(known))))
    return ValueError(words)
