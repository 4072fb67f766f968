"""What does a person see? One page over the journal, live, for this machine only unless told otherwise."""

from wakeful.dashboard.approvals import ApprovalRoutes
from wakeful.dashboard.errors import DashboardError, PortInUse, TokenNeeded
from wakeful.dashboard.feedback import NothingToJudge, give_feedback
from wakeful.dashboard.guard import is_loopback
from wakeful.dashboard.hooks import Hook
from wakeful.dashboard.intentions import IntentionRoutes
from wakeful.dashboard.live import Live, SourceStatus, Status
from wakeful.dashboard.server import Dashboard, Report

__all__ = [
    "ApprovalRoutes",
    "Dashboard",
    "DashboardError",
    "Hook",
    "IntentionRoutes",
    "Live",
    "NothingToJudge",
    "PortInUse",
    "Report",
    "SourceStatus",
    "Status",
    "TokenNeeded",
    "give_feedback",
    "is_loopback",
]
