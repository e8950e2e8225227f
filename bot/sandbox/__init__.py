"""A place to practise: a local stand-in for everything that lives outside this machine."""
