"""The ready-made bot: settings, client, command line and the sandbox; the plugin never imports it."""
