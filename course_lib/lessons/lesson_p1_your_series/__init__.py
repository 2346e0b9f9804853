"""Project p1, your series: what belongs to it and to no other lesson."""

title = "project: your series"
question = "What will my table of measurements do next?"
minutes = 55  # to read and run
part = "your own data"
form = 2
live_seconds = 25  # of the last `make run`
