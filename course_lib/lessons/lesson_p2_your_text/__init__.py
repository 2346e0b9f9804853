"""Project p2, your text: what belongs to it and to no lesson."""

title = "project: your text"
question = "Can it write like my text?"
minutes = 55  # to read and run
part = "your own data"
form = 2
live_seconds = 45  # of the last `make run`
