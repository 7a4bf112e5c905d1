package detect

// All lists every detector, sorted by ID.
var All = []Detector{
	credentialRead,
	credentialSweep,
	decoyRead,
	guardTampering,
	historySecret,
	persistenceByInstallScript,
	privateFlagRemoved,
	publishByInstallScript,
	publishLoop,
	wormCommand,
}
