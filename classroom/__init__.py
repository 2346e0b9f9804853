"""A server for a class: learners work in their browsers, the instructor sees who is stuck. Start at README.md."""
