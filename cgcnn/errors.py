"""The one exception that speaks to the user."""


class InputError(Exception):
    """Something the user can mend: a file, a row, a key. Its message names the culprit and says what to do.

    Scripts and the command line print the message alone; any other exception is a bug and keeps its traceback.
    """
