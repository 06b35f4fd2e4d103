"""Lower and bring back: plans applied, leases given back, crashes mended, over one set of hands.

Dags and the command line call the same functions here. Decisions are ``nightshift.domain``'s; this
package carries them out in the right order and writes everything down. It imports no Airflow.
"""
