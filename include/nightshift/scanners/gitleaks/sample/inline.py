token = "@@TOKEN@@"  # gitleaks:allow
other = "@@TOKEN@@"  # betterleaks:allow
