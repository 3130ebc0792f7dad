"""The homework set: notebooks in which students build a crystal graph network by hand, and then use one."""
