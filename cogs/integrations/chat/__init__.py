"""What people see: one file for each subject, over a few that all subjects stand on."""
