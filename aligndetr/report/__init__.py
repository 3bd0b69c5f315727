"""One page that shows a run, or several beside each other, in any browser and without a network."""

from aligndetr.report.reported_run import ReportedRun, recorded_run, reported_run
from aligndetr.report.run_page import run_page
from aligndetr.report.runs_page import runs_page

REPORT_FILE = "report.html"

__all__ = ["REPORT_FILE", "ReportedRun", "recorded_run", "reported_run", "run_page", "runs_page"]
