"""Questions staff ask, answered in chat."""
