"""The one error that means: the user can fix this."""


class InputError(ValueError):
    """Something the user gave (a file, a key, a value) cannot be used.

    The message is all that the command line shows, so it names the file, key or value
    and says what to do about it.

    Examples:
        >>> from ppsci_gan.errors import InputError
        >>> raise InputError("DATA.data_path is not set: give the path of mnist.pkl.gz.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: DATA.data_path is not set: give the path of mnist.pkl.gz.
    """
