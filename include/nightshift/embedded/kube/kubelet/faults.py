"""Why a container cannot start; each stands for a waiting reason that clients know."""


class ContainerFault(Exception):
    """A container cannot start now; the text is the status' ``message``.

    ``reason`` is what the waiting state says.
    """

    reason = "CreateContainerError"


class ConfigFault(ContainerFault):
    """Its environment, command or mounts cannot be computed; looked at again later."""

    reason = "CreateContainerConfigError"


class ImageFault(ContainerFault):
    """The image is not known here."""

    reason = "ErrImagePull"


class ImageNeverPulled(ContainerFault):
    """The image is not known here, and must not be pulled."""

    reason = "ErrImageNeverPull"


class VolumeFault(Exception):
    """A volume cannot be mounted now; the pod waits as ContainerCreating."""
