"""The only room that knows Composio's SDK: connected accounts in, typed errors out."""
