"""The fields of the objects that Nightshift writes, with their types, as Kubernetes 1.36 has them.

One type a paragraph: ``field`` alone is text, ``field:int`` a number, ``[T]`` a list, ``{T}`` a
map, ``quantity`` a Kubernetes quantity, ``int-or-text`` either of the two, ``any`` is not looked
into (status, which the cluster writes; drivers of storage vendors). A test compares this table
with the official client's.
"""

ROOTS = {
    "pods": "Pod",
    "podtemplates": "PodTemplate",
    "services": "Service",
    "configmaps": "ConfigMap",
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "namespaces": "Namespace",
    "nodes": "Node",
    "persistentvolumes": "PersistentVolume",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "resourcequotas": "ResourceQuota",
    "limitranges": "LimitRange",
    "deployments.apps": "Deployment",
    "replicasets.apps": "ReplicaSet",
    "statefulsets.apps": "StatefulSet",
    "daemonsets.apps": "DaemonSet",
    "jobs.batch": "Job",
    "cronjobs.batch": "CronJob",
    "horizontalpodautoscalers.autoscaling": "HorizontalPodAutoscaler",
    "poddisruptionbudgets.policy": "PodDisruptionBudget",
    "leases.coordination.k8s.io": "Lease",
    "networkpolicies.networking.k8s.io": "NetworkPolicy",
    "priorityclasses.scheduling.k8s.io": "PriorityClass",
    "storageclasses.storage.k8s.io": "StorageClass",
}
"""The type of each kind that is checked; other kinds are taken as they come."""

FIELDS = """
Affinity: nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity
AppArmorProfile: localhostProfile type
CSIPersistentVolumeSource: controllerExpandSecretRef:SecretReference
  controllerPublishSecretRef:SecretReference driver fsType nodeExpandSecretRef:SecretReference
  nodePublishSecretRef:SecretReference nodeStageSecretRef:SecretReference readOnly:bool
  volumeAttributes:{str} volumeHandle
CSIVolumeSource: driver fsType nodePublishSecretRef:LocalObjectReference readOnly:bool
  volumeAttributes:{str}
Capabilities: add:[str] drop:[str]
ClientIPConfig: timeoutSeconds:int
ConfigMap: binaryData:{str} data:{str} immutable:bool metadata:ObjectMeta
ConfigMapEnvSource: name optional:bool
ConfigMapKeySelector: key name optional:bool
ConfigMapProjection: items:[KeyToPath] name optional:bool
ConfigMapVolumeSource: defaultMode:int items:[KeyToPath] name optional:bool
Container: args:[str] command:[str] env:[EnvVar] envFrom:[EnvFromSource] image imagePullPolicy
  lifecycle:Lifecycle livenessProbe:Probe name ports:[ContainerPort] readinessProbe:Probe
  resizePolicy:[ContainerResizePolicy] resources:ResourceRequirements restartPolicy
  restartPolicyRules:[ContainerRestartRule] securityContext:SecurityContext startupProbe:Probe
  stdin:bool stdinOnce:bool terminationMessagePath terminationMessagePolicy tty:bool
  volumeDevices:[VolumeDevice] volumeMounts:[VolumeMount] workingDir
ContainerPort: containerPort:int hostIP hostPort:int name protocol
ContainerResizePolicy: resourceName restartPolicy
ContainerResourceMetricSource: container name target:MetricTarget
ContainerRestartRule: action exitCodes:ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes: operator values:[int]
CronJob: metadata:ObjectMeta spec:CronJobSpec status:any
CronJobSpec: concurrencyPolicy failedJobsHistoryLimit:int jobTemplate:JobTemplateSpec schedule
  startingDeadlineSeconds:int successfulJobsHistoryLimit:int suspend:bool timeZone
CrossVersionObjectReference: apiVersion kind name
DaemonSet: metadata:ObjectMeta spec:DaemonSetSpec status:any
DaemonSetSpec: minReadySeconds:int revisionHistoryLimit:int selector:LabelSelector
  template:PodTemplateSpec updateStrategy:DaemonSetUpdateStrategy
DaemonSetUpdateStrategy: rollingUpdate:RollingUpdateDaemonSet type
Deployment: metadata:ObjectMeta spec:DeploymentSpec status:any
DeploymentSpec: minReadySeconds:int paused:bool progressDeadlineSeconds:int replicas:int
  revisionHistoryLimit:int selector:LabelSelector strategy:DeploymentStrategy
  template:PodTemplateSpec
DeploymentStrategy: rollingUpdate:RollingUpdateDeployment type
DownwardAPIProjection: items:[DownwardAPIVolumeFile]
DownwardAPIVolumeFile: fieldRef:ObjectFieldSelector mode:int path
  resourceFieldRef:ResourceFieldSelector
DownwardAPIVolumeSource: defaultMode:int items:[DownwardAPIVolumeFile]
EmptyDirVolumeSource: medium sizeLimit:quantity
EnvFromSource: configMapRef:ConfigMapEnvSource prefix secretRef:SecretEnvSource
EnvVar: name value valueFrom:EnvVarSource
EnvVarSource: configMapKeyRef:ConfigMapKeySelector fieldRef:ObjectFieldSelector
  fileKeyRef:FileKeySelector resourceFieldRef:ResourceFieldSelector secretKeyRef:SecretKeySelector
EphemeralVolumeSource: volumeClaimTemplate:PersistentVolumeClaimTemplate
ExecAction: command:[str]
ExternalMetricSource: metric:MetricIdentifier target:MetricTarget
FileKeySelector: key optional:bool path volumeName
GRPCAction: port:int service
HPAScalingPolicy: periodSeconds:int type value:int
HPAScalingRules: policies:[HPAScalingPolicy] selectPolicy stabilizationWindowSeconds:int
  tolerance:quantity
HTTPGetAction: host httpHeaders:[HTTPHeader] path port:int-or-text scheme
HTTPHeader: name value
HorizontalPodAutoscaler: metadata:ObjectMeta spec:HorizontalPodAutoscalerSpec status:any
HorizontalPodAutoscalerBehavior: scaleDown:HPAScalingRules scaleUp:HPAScalingRules
HorizontalPodAutoscalerSpec: behavior:HorizontalPodAutoscalerBehavior maxReplicas:int
  metrics:[MetricSpec] minReplicas:int scaleTargetRef:CrossVersionObjectReference
HostAlias: hostnames:[str] ip
HostPathVolumeSource: path type
IPBlock: cidr except:[str]
ImageVolumeSource: pullPolicy reference
Job: metadata:ObjectMeta spec:JobSpec status:any
JobSpec: activeDeadlineSeconds:int backoffLimit:int backoffLimitPerIndex:int completionMode
  completions:int managedBy manualSelector:bool maxFailedIndexes:int parallelism:int
  podFailurePolicy:PodFailurePolicy podReplacementPolicy selector:LabelSelector
  successPolicy:SuccessPolicy suspend:bool template:PodTemplateSpec ttlSecondsAfterFinished:int
JobTemplateSpec: metadata:ObjectMeta spec:JobSpec
KeyToPath: key mode:int path
LabelSelector: matchExpressions:[LabelSelectorRequirement] matchLabels:{str}
LabelSelectorRequirement: key operator values:[str]
Lease: metadata:ObjectMeta spec:LeaseSpec
LeaseSpec: acquireTime:micro-time holderIdentity leaseDurationSeconds:int leaseTransitions:int
  preferredHolder renewTime:micro-time strategy
Lifecycle: postStart:LifecycleHandler preStop:LifecycleHandler stopSignal
LifecycleHandler: exec:ExecAction httpGet:HTTPGetAction sleep:SleepAction
  tcpSocket:TCPSocketAction
LimitRange: metadata:ObjectMeta spec:LimitRangeSpec
LimitRangeItem: default:{quantity} defaultRequest:{quantity} max:{quantity}
  maxLimitRequestRatio:{quantity} min:{quantity} type
LimitRangeSpec: limits:[LimitRangeItem]
LocalObjectReference: name
LocalVolumeSource: fsType path
MetricIdentifier: name selector:LabelSelector
MetricSpec: containerResource:ContainerResourceMetricSource external:ExternalMetricSource
  object:ObjectMetricSource pods:PodsMetricSource resource:ResourceMetricSource type
MetricTarget: averageUtilization:int averageValue:quantity type value:quantity
NFSVolumeSource: path readOnly:bool server
Namespace: metadata:ObjectMeta spec:NamespaceSpec status:any
NamespaceSpec: finalizers:[str]
NetworkPolicy: metadata:ObjectMeta spec:NetworkPolicySpec
NetworkPolicyEgressRule: ports:[NetworkPolicyPort] to:[NetworkPolicyPeer]
NetworkPolicyIngressRule: from:[NetworkPolicyPeer] ports:[NetworkPolicyPort]
NetworkPolicyPeer: ipBlock:IPBlock namespaceSelector:LabelSelector podSelector:LabelSelector
NetworkPolicyPort: endPort:int port:int-or-text protocol
NetworkPolicySpec: egress:[NetworkPolicyEgressRule] ingress:[NetworkPolicyIngressRule]
  podSelector:LabelSelector policyTypes:[str]
Node: metadata:ObjectMeta spec:NodeSpec status:any
NodeAffinity: preferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm]
  requiredDuringSchedulingIgnoredDuringExecution:NodeSelector
NodeSelector: nodeSelectorTerms:[NodeSelectorTerm]
NodeSelectorRequirement: key operator values:[str]
NodeSelectorTerm: matchExpressions:[NodeSelectorRequirement] matchFields:[NodeSelectorRequirement]
NodeSpec: configSource:any externalID podCIDR podCIDRs:[str] providerID taints:[Taint]
  unschedulable:bool
ObjectFieldSelector: apiVersion fieldPath
ObjectMeta: annotations:{str} creationTimestamp deletionGracePeriodSeconds:int deletionTimestamp
  finalizers:[str] generateName generation:int labels:{str} managedFields:[any] name namespace
  ownerReferences:[OwnerReference] resourceVersion selfLink uid
ObjectMetricSource: describedObject:CrossVersionObjectReference metric:MetricIdentifier
  target:MetricTarget
ObjectReference: apiVersion fieldPath kind name namespace resourceVersion uid
OwnerReference: apiVersion blockOwnerDeletion:bool controller:bool kind name uid
PersistentVolume: metadata:ObjectMeta spec:PersistentVolumeSpec status:any
PersistentVolumeClaim: metadata:ObjectMeta spec:PersistentVolumeClaimSpec status:any
PersistentVolumeClaimSpec: accessModes:[str] dataSource:TypedLocalObjectReference
  dataSourceRef:TypedObjectReference resources:VolumeResourceRequirements selector:LabelSelector
  storageClassName volumeAttributesClassName volumeMode volumeName
PersistentVolumeClaimTemplate: metadata:ObjectMeta spec:PersistentVolumeClaimSpec
PersistentVolumeClaimVolumeSource: claimName readOnly:bool
PersistentVolumeSpec: accessModes:[str] awsElasticBlockStore:any azureDisk:any azureFile:any
  capacity:{quantity} cephfs:any cinder:any claimRef:ObjectReference csi:CSIPersistentVolumeSource
  fc:any flexVolume:any flocker:any gcePersistentDisk:any glusterfs:any
  hostPath:HostPathVolumeSource iscsi:any local:LocalVolumeSource mountOptions:[str]
  nfs:NFSVolumeSource nodeAffinity:VolumeNodeAffinity persistentVolumeReclaimPolicy
  photonPersistentDisk:any portworxVolume:any quobyte:any rbd:any scaleIO:any storageClassName
  storageos:any volumeAttributesClassName volumeMode vsphereVolume:any
Pod: metadata:ObjectMeta spec:PodSpec status:any
PodAffinity: preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]
  requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm]
PodAffinityTerm: labelSelector:LabelSelector matchLabelKeys:[str] mismatchLabelKeys:[str]
  namespaceSelector:LabelSelector namespaces:[str] topologyKey
PodAntiAffinity: preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm]
  requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm]
PodDNSConfig: nameservers:[str] options:[PodDNSConfigOption] searches:[str]
PodDNSConfigOption: name value
PodDisruptionBudget: metadata:ObjectMeta spec:PodDisruptionBudgetSpec status:any
PodDisruptionBudgetSpec: maxUnavailable:int-or-text minAvailable:int-or-text
  selector:LabelSelector unhealthyPodEvictionPolicy
PodFailurePolicy: rules:[PodFailurePolicyRule]
PodFailurePolicyOnExitCodesRequirement: containerName operator values:[int]
PodFailurePolicyOnPodConditionsPattern: status type
PodFailurePolicyRule: action onExitCodes:PodFailurePolicyOnExitCodesRequirement
  onPodConditions:[PodFailurePolicyOnPodConditionsPattern]
PodOS: name
PodReadinessGate: conditionType
PodResourceClaim: name resourceClaimName resourceClaimTemplateName
PodSchedulingGate: name
PodSchedulingGroup: podGroupName
PodSecurityContext: appArmorProfile:AppArmorProfile fsGroup:int fsGroupChangePolicy runAsGroup:int
  runAsNonRoot:bool runAsUser:int seLinuxChangePolicy seLinuxOptions:SELinuxOptions
  seccompProfile:SeccompProfile supplementalGroups:[int] supplementalGroupsPolicy sysctls:[Sysctl]
  windowsOptions:any
PodSpec: activeDeadlineSeconds:int affinity:Affinity automountServiceAccountToken:bool
  containers:[Container] dnsConfig:PodDNSConfig dnsPolicy enableServiceLinks:bool
  ephemeralContainers:[any] hostAliases:[HostAlias] hostIPC:bool hostNetwork:bool hostPID:bool
  hostUsers:bool hostname hostnameOverride imagePullSecrets:[LocalObjectReference]
  initContainers:[Container] nodeName nodeSelector:{str} os:PodOS overhead:{quantity}
  preemptionPolicy priority:int priorityClassName readinessGates:[PodReadinessGate]
  resourceClaims:[PodResourceClaim] resources:ResourceRequirements restartPolicy runtimeClassName
  schedulerName schedulingGates:[PodSchedulingGate] schedulingGroup:PodSchedulingGroup
  securityContext:PodSecurityContext serviceAccount serviceAccountName setHostnameAsFQDN:bool
  shareProcessNamespace:bool subdomain terminationGracePeriodSeconds:int tolerations:[Toleration]
  topologySpreadConstraints:[TopologySpreadConstraint] volumes:[Volume]
PodTemplate: metadata:ObjectMeta template:PodTemplateSpec
PodTemplateSpec: metadata:ObjectMeta spec:PodSpec
PodsMetricSource: metric:MetricIdentifier target:MetricTarget
PreferredSchedulingTerm: preference:NodeSelectorTerm weight:int
PriorityClass: description globalDefault:bool metadata:ObjectMeta preemptionPolicy value:int
Probe: exec:ExecAction failureThreshold:int grpc:GRPCAction httpGet:HTTPGetAction
  initialDelaySeconds:int periodSeconds:int successThreshold:int tcpSocket:TCPSocketAction
  terminationGracePeriodSeconds:int timeoutSeconds:int
ProjectedVolumeSource: defaultMode:int sources:[VolumeProjection]
ReplicaSet: metadata:ObjectMeta spec:ReplicaSetSpec status:any
ReplicaSetSpec: minReadySeconds:int replicas:int selector:LabelSelector template:PodTemplateSpec
ResourceClaim: name request
ResourceFieldSelector: containerName divisor:quantity resource
ResourceMetricSource: name target:MetricTarget
ResourceQuota: metadata:ObjectMeta spec:ResourceQuotaSpec status:any
ResourceQuotaSpec: hard:{quantity} scopeSelector:ScopeSelector scopes:[str]
ResourceRequirements: claims:[ResourceClaim] limits:{quantity} requests:{quantity}
RollingUpdateDaemonSet: maxSurge:int-or-text maxUnavailable:int-or-text
RollingUpdateDeployment: maxSurge:int-or-text maxUnavailable:int-or-text
RollingUpdateStatefulSetStrategy: maxUnavailable:int-or-text partition:int
SELinuxOptions: level role type user
ScopeSelector: matchExpressions:[ScopedResourceSelectorRequirement]
ScopedResourceSelectorRequirement: operator scopeName values:[str]
SeccompProfile: localhostProfile type
Secret: data:{str} immutable:bool metadata:ObjectMeta stringData:{str} type
SecretEnvSource: name optional:bool
SecretKeySelector: key name optional:bool
SecretProjection: items:[KeyToPath] name optional:bool
SecretReference: name namespace
SecretVolumeSource: defaultMode:int items:[KeyToPath] optional:bool secretName
SecurityContext: allowPrivilegeEscalation:bool appArmorProfile:AppArmorProfile
  capabilities:Capabilities privileged:bool procMount readOnlyRootFilesystem:bool runAsGroup:int
  runAsNonRoot:bool runAsUser:int seLinuxOptions:SELinuxOptions seccompProfile:SeccompProfile
  windowsOptions:any
Service: metadata:ObjectMeta spec:ServiceSpec status:any
ServiceAccount: automountServiceAccountToken:bool imagePullSecrets:[LocalObjectReference]
  metadata:ObjectMeta secrets:[ObjectReference]
ServiceAccountTokenProjection: audience expirationSeconds:int path
ServicePort: appProtocol name nodePort:int port:int protocol targetPort:int-or-text
ServiceSpec: allocateLoadBalancerNodePorts:bool clusterIP clusterIPs:[str] externalIPs:[str]
  externalName externalTrafficPolicy healthCheckNodePort:int internalTrafficPolicy
  ipFamilies:[str] ipFamilyPolicy loadBalancerClass loadBalancerIP loadBalancerSourceRanges:[str]
  ports:[ServicePort] publishNotReadyAddresses:bool selector:{str} sessionAffinity
  sessionAffinityConfig:SessionAffinityConfig trafficDistribution type
SessionAffinityConfig: clientIP:ClientIPConfig
SleepAction: seconds:int
StatefulSet: metadata:ObjectMeta spec:StatefulSetSpec status:any
StatefulSetOrdinals: start:int
StatefulSetPersistentVolumeClaimRetentionPolicy: whenDeleted whenScaled
StatefulSetSpec: minReadySeconds:int ordinals:StatefulSetOrdinals
  persistentVolumeClaimRetentionPolicy:StatefulSetPersistentVolumeClaimRetentionPolicy
  podManagementPolicy replicas:int revisionHistoryLimit:int selector:LabelSelector serviceName
  template:PodTemplateSpec updateStrategy:StatefulSetUpdateStrategy
  volumeClaimTemplates:[PersistentVolumeClaim]
StatefulSetUpdateStrategy: rollingUpdate:RollingUpdateStatefulSetStrategy type
StorageClass: allowVolumeExpansion:bool allowedTopologies:[TopologySelectorTerm]
  metadata:ObjectMeta mountOptions:[str] parameters:{str} provisioner reclaimPolicy
  volumeBindingMode
SuccessPolicy: rules:[SuccessPolicyRule]
SuccessPolicyRule: succeededCount:int succeededIndexes
Sysctl: name value
TCPSocketAction: host port:int-or-text
Taint: effect key timeAdded value
Toleration: effect key operator tolerationSeconds:int value
TopologySelectorLabelRequirement: key values:[str]
TopologySelectorTerm: matchLabelExpressions:[TopologySelectorLabelRequirement]
TopologySpreadConstraint: labelSelector:LabelSelector matchLabelKeys:[str] maxSkew:int
  minDomains:int nodeAffinityPolicy nodeTaintsPolicy topologyKey whenUnsatisfiable
TypedLocalObjectReference: apiGroup kind name
TypedObjectReference: apiGroup kind name namespace
Volume: awsElasticBlockStore:any azureDisk:any azureFile:any cephfs:any cinder:any
  configMap:ConfigMapVolumeSource csi:CSIVolumeSource downwardAPI:DownwardAPIVolumeSource
  emptyDir:EmptyDirVolumeSource ephemeral:EphemeralVolumeSource fc:any flexVolume:any flocker:any
  gcePersistentDisk:any gitRepo:any glusterfs:any hostPath:HostPathVolumeSource
  image:ImageVolumeSource iscsi:any name nfs:NFSVolumeSource
  persistentVolumeClaim:PersistentVolumeClaimVolumeSource photonPersistentDisk:any
  portworxVolume:any projected:ProjectedVolumeSource quobyte:any rbd:any scaleIO:any
  secret:SecretVolumeSource storageos:any vsphereVolume:any
VolumeDevice: devicePath name
VolumeMount: mountPath mountPropagation name readOnly:bool recursiveReadOnly subPath subPathExpr
VolumeNodeAffinity: required:NodeSelector
VolumeProjection: clusterTrustBundle:any configMap:ConfigMapProjection
  downwardAPI:DownwardAPIProjection podCertificate:any secret:SecretProjection
  serviceAccountToken:ServiceAccountTokenProjection
VolumeResourceRequirements: limits:{quantity} requests:{quantity}
WeightedPodAffinityTerm: podAffinityTerm:PodAffinityTerm weight:int
"""
