"""The frameworks that lessons share: exercises, recorded experiments, panels, progress, and the doctor."""
