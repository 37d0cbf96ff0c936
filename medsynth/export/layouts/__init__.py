"""Dataset folders in the layouts that other people's programs read: one file each, one line each in `table`."""
