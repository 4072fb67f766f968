"""What may be done? Requests leave through an outbox, each at most once, and their results come back."""

from wakeful.actions.approvals import Approvals, Waiting
from wakeful.actions.commands import Command, command_tool, unit_tools
from wakeful.actions.errors import ActionError, ArgumentsWrong, ExtraMissing, NoSuchApproval, ToolFailed, ToolUnsure
from wakeful.actions.files import file_tools
from wakeful.actions.mcp_servers import McpServer, McpTools
from wakeful.actions.notices import Manners, quiet_hours
from wakeful.actions.notifier import Notifier
from wakeful.actions.outbox import Outbox
from wakeful.actions.places import places_of
from wakeful.actions.policy import DEFAULTS, Limits, Policy, Verdict
from wakeful.actions.probe import look_closer
from wakeful.actions.probes import Search, probe_tools
from wakeful.actions.specialists import Specialist, Specialists
from wakeful.actions.tool import Call, Risk, Tool
from wakeful.actions.toolbox import Toolbox
from wakeful.actions.web import web_tools

__all__ = [
    "DEFAULTS",
    "ActionError",
    "Approvals",
    "ArgumentsWrong",
    "Call",
    "Command",
    "ExtraMissing",
    "Limits",
    "Manners",
    "McpServer",
    "McpTools",
    "NoSuchApproval",
    "Notifier",
    "Outbox",
    "Policy",
    "Risk",
    "Search",
    "Specialist",
    "Specialists",
    "Tool",
    "ToolFailed",
    "ToolUnsure",
    "Toolbox",
    "Verdict",
    "Waiting",
    "command_tool",
    "file_tools",
    "look_closer",
    "places_of",
    "probe_tools",
    "quiet_hours",
    "unit_tools",
    "web_tools",
]
