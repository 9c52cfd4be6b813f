"""Errors whose message tells users all they need."""


class TrainingError(RuntimeError):
    """Training has failed beyond recovery; the message says where to resume.

    Examples:
        >>> from ppsci_gan.errors import TrainingError
        >>> raise TrainingError("generated samples are all alike.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.TrainingError: generated samples are all alike.
    """


class InputError(ValueError):
    """Something the user gave (a file, a key, a value) cannot be used.

    The command line shows only the message, so it names the file, key or value and the remedy.

    Examples:
        >>> from ppsci_gan.errors import InputError
        >>> raise InputError("DATA.data_path is not set: give the path of mnist.pkl.gz.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: DATA.data_path is not set: give the path of mnist.pkl.gz.
    """
