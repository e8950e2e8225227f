"""What is true: catalogue, accounts, the states that follow, and the use cases. No Discord, no SQL, no HTTP."""
