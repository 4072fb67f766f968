"""Why the page can't be shown.

DashboardError
├── PortInUse      something else listens there
└── TokenNeeded    it would be open to other machines without a token
"""

from wakeful.events import WakefulError


class DashboardError(WakefulError):
    """The page can't be served."""


class PortInUse(DashboardError):
    """Another program listens on the page's port."""


class TokenNeeded(DashboardError):
    """The page was to be served to other machines, without a token."""
