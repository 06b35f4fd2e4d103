"""Reviews: questions that are answered and not stored.

There is one user, the owner of the token, who may do everything.
"""

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.requests import Target

USER: Object = {
    "username": "nightshift-admin",
    "groups": ["system:masters", "system:authenticated"],
}


def is_review(target: Target) -> bool:
    """Tell whether objects of this resource are answered and not stored."""
    return target.resource.verbs == ("create",)


def answer_review(target: Target, review: Object) -> Object:
    """Complete a review with its status."""
    statuses: dict[str, Object] = {
        "SelfSubjectAccessReview": {"allowed": True, "reason": "the only user may do everything"},
        "SubjectAccessReview": {"allowed": True, "reason": "the only user may do everything"},
        "SelfSubjectRulesReview": {
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        },
        "SelfSubjectReview": {"userInfo": USER},
    }
    kind = target.resource.kind
    return {
        **review,
        "kind": kind,
        "apiVersion": target.resource.api_version,
        "metadata": {**review["metadata"], "creationTimestamp": None},
        "status": statuses[kind],
    }
