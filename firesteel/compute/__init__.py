"""Where numbers are computed: devices, facts of the machine, the plan before a run, the meter during it."""
