# Every command is in make.py, which also runs where there is no make: python make.py help
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13 python; do $$p -c "" 2>/dev/null && break; done; echo $$p)
.PHONY: help lab copies test run reproduce bench refresh reviewed steady lock site classroom

help: ; @$(PYTHON) make.py help
lab: ; @$(PYTHON) make.py lab $(if $(FRESH),--fresh $(FRESH)) $(ARGS)
copies: ; @$(PYTHON) make.py copies $(if $(FRESH),--fresh $(FRESH)) $(ARGS)
test: ; @$(PYTHON) make.py test $(ARGS)
run: ; @$(PYTHON) make.py run $(ARGS)
reproduce: ; @$(PYTHON) make.py reproduce $(ARGS)
bench: ; @$(PYTHON) make.py bench $(ARGS)
refresh: ; @$(PYTHON) make.py refresh $(ARGS)
reviewed: ; @$(PYTHON) make.py reviewed $(ARGS)
steady: ; @$(PYTHON) make.py steady $(ARGS)
lock: ; @$(PYTHON) make.py lock $(ARGS)
site: ; @$(PYTHON) make.py site $(ARGS)
classroom: ; @$(PYTHON) make.py classroom $(ARGS)
