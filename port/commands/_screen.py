"""Errors at a length that a screen can show."""

SCREEN = 2000        # characters


def screenful(text: str) -> str:
    """Return a text that a screen can show: the beginning and the end of a long one."""
    if len(text) <= SCREEN:
        return text
    left = f' … ({len(text) - SCREEN:,} characters left out) … '
    return text[:SCREEN * 3 // 4] + left + text[-SCREEN // 4:]
